package c8.drill;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.opensearch.Version;
import org.opensearch.common.settings.KeyStoreWrapper;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;

/**
 * A real search node in the place of the chart's: it takes settings from the environment as that image does (`cluster.name`,
 * `discovery.type`, …), the rest from `opensearch.yml`, secrets from the keystore, and has the plugin for Cloud Storage.
 */
public final class SearchNode extends Node {
  private static final Pattern SETTING = Pattern.compile("[a-z0-9_]+(\\.[a-z0-9_]+)+");
  private static final List<String> PLUGINS =
      List.of(
          "org.opensearch.transport.Netty4ModulePlugin",
          "c8.drill.CloudStorage");

  private SearchNode(final Environment environment, final List<PluginInfo> plugins) {
    super(environment, plugins, false);
  }

  /** SearchNode HOME CONFIG [KEY=VALUE…]: arguments win over the environment. */
  public static void main(final String[] args) throws Exception {
    final Map<String, String> settings = new TreeMap<>();
    System.getenv().forEach((name, value) -> translate(settings, name, value));
    for (int i = 2; i < args.length; i++) {
      final int end = args[i].indexOf('=');
      translate(settings, args[i].substring(0, end), args[i].substring(end + 1));
    }
    settings.put("path.home", args[0]);
    final Path config = Path.of(args[1]);
    final Settings.Builder builder = Settings.builder();
    settings.forEach(builder::put);
    final KeyStoreWrapper keystore = KeyStoreWrapper.load(config);
    if (keystore != null) {
      keystore.decrypt(new char[0]);
      builder.setSecureSettings(keystore);
    }
    final List<PluginInfo> plugins =
        PLUGINS.stream()
            .map(name -> new PluginInfo(name, "on the class path", "NA", Version.CURRENT, "21", name, null, List.of(), false))
            .toList();
    final String host = System.getenv().getOrDefault("HOSTNAME", "search");
    final Environment environment =
        InternalSettingsPreparer.prepareEnvironment(builder.build(), Map.of(), config, () -> host);
    Files.createDirectories(environment.dataFiles()[0]);
    final SearchNode node = new SearchNode(environment, plugins);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  try {
                    node.close();
                  } catch (final Exception e) {
                    System.err.println("close: " + e);
                  }
                }));
    node.start();
    Thread.currentThread().join();
  }

  /** The settings of the chart that have another name here, or none. */
  private static void translate(final Map<String, String> settings, final String name, final String value) {
    if (!SETTING.matcher(name).matches() || name.startsWith("xpack.")) {
      return;
    }
    settings.put(name.equals("cluster.initial_master_nodes") ? "cluster.initial_cluster_manager_nodes" : name, value);
  }
}
