package c8.drill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import org.opensearch.common.settings.KeyStoreWrapper;

/** What the chart uses of `elasticsearch-keystore`: `create`, `list`, `add-file [-f] NAME FILE`, in the directory ES_PATH_CONF. */
public final class Keystore {
  private Keystore() {}

  public static void main(final String[] args) throws Exception {
    final List<String> words = Arrays.stream(args).filter(word -> !word.equals("-f") && !word.equals("--force")).toList();
    final boolean force = words.size() < args.length;
    final Path config = Path.of(System.getenv().getOrDefault("ES_PATH_CONF", "/usr/share/elasticsearch/config"));
    final KeyStoreWrapper known = KeyStoreWrapper.load(config);
    if (known != null) {
      known.decrypt(new char[0]);
    }
    if (words.equals(List.of("create"))) {
      save(KeyStoreWrapper.create(), config);
    } else if (words.equals(List.of("list")) && known != null) {
      new TreeSet<>(known.getSettingNames()).forEach(System.out::println);
    } else if (words.size() == 3 && words.get(0).equals("add-file")) {
      final KeyStoreWrapper keystore = known == null ? KeyStoreWrapper.create() : known;
      if (!force && keystore.getSettingNames().contains(words.get(1))) {
        fail("Setting " + words.get(1) + " already exists. Exiting without modifying keystore.", 1);
      }
      keystore.setFile(words.get(1), Files.readAllBytes(Path.of(words.get(2))));
      save(keystore, config);
    } else if (words.equals(List.of("list"))) {
      fail("ERROR: keystore not found at [" + config + "]. Use 'create' command to create one.", 65);
    } else {
      fail("usage: elasticsearch-keystore create | list | add-file [-f] NAME FILE", 64);
    }
  }

  /** The chart looks for the file under its name. */
  private static void save(final KeyStoreWrapper keystore, final Path config) throws Exception {
    keystore.save(config, new char[0]);
    final Path name = config.resolve("elasticsearch.keystore");
    if (!Files.exists(name)) {
      Files.deleteIfExists(name);
      Files.createSymbolicLink(name, Path.of("opensearch.keystore"));
    }
  }

  private static void fail(final String why, final int status) {
    System.err.println(why);
    System.exit(status);
  }
}
