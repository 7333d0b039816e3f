package c8.drill;

import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import org.opensearch.common.settings.SecureSetting;
import org.opensearch.common.settings.Setting;
import org.opensearch.common.settings.Settings;
import org.opensearch.repositories.gcs.GoogleCloudStoragePlugin;

/**
 * The real plugin, told where the cloud is: a key names the token server of its cloud, and in a drill the storage is behind the same
 * address. A key of Google's own changes nothing.
 */
public final class CloudStorage extends GoogleCloudStoragePlugin {
  private static final String CLIENT = "gcs.client.default.";
  private static final Setting<InputStream> KEY = SecureSetting.secureFile(CLIENT + "credentials_file", null);

  public CloudStorage(final Settings settings) {
    super(settings);
  }

  @Override
  public void reload(final Settings settings) {
    super.reload(located(settings));
  }

  private static Settings located(final Settings settings) {
    if (!KEY.exists(settings)) {
      // whoever brings no key is refused there at once; Google's own address can't be reached, and the plugin would try for 50 s
      return Settings.builder().put(settings).put(CLIENT + "endpoint", "http://storage.googleapis.com:8600").build();
    }
    try (InputStream key = KEY.get(settings)) {
      final URI tokens =
          URI.create(
              JsonParser.parseReader(new InputStreamReader(key, StandardCharsets.UTF_8))
                  .getAsJsonObject()
                  .get("token_uri")
                  .getAsString());
      if (tokens.getHost().endsWith("googleapis.com")) {
        return settings;
      }
      final String cloud = tokens.getScheme() + "://" + tokens.getAuthority();
      return Settings.builder().put(settings).put(CLIENT + "endpoint", cloud).build();
    } catch (final IOException e) {
      throw new UncheckedIOException(e);
    } catch (final RuntimeException e) {
      // a key that is none is the plugin's to complain of
      return settings;
    }
  }
}
