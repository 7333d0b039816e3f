package c8.drill;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Stands in for Operate, Tasklist and Connectors, which are not to be had as packages, as far as a fail-over meets them: they make their
 * indices when they start (a restore conflicts with that), import records beyond their import position and move it (what the snapshot
 * must not see half-done), answer a search, and tell their health.
 */
public final class WebApp {
  /** What makes one application: its indices, the records it reads and the index that it fills from them. */
  private enum Kind {
    OPERATE("process-instance", "operate-list-view-8.3.0_", "operate-import-position-8.3.0_", "operate-process-8.3.0_"),
    TASKLIST("job", "tasklist-task-8.5.0_", "tasklist-import-position-8.2.0_", "tasklist-process-8.4.0_"),
    CONNECTORS(null, null, null, null);

    final String records;
    final String entities;
    final String positions;
    final String processes;

    Kind(final String records, final String entities, final String positions, final String processes) {
      this.records = records;
      this.entities = entities;
      this.positions = positions;
      this.processes = processes;
    }
  }

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int PAGE = 500;

  private final Kind kind;
  private final String store;
  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(2)).build();
  private final Map<Integer, Long> imported = new TreeMap<>();
  private volatile boolean ready;

  private WebApp(final Kind kind, final String store) {
    this.kind = kind;
    this.store = store;
  }

  public static void main(final String[] args) throws Exception {
    final Kind kind = Kind.valueOf(args[0].toUpperCase());
    final String store = System.getenv("CAMUNDA_DATABASE_URL");
    if (kind != Kind.CONNECTORS && store == null) {
      throw new IllegalArgumentException("CAMUNDA_DATABASE_URL is missing");
    }
    final WebApp app = new WebApp(kind, store);
    app.serve();
    app.run();
  }

  private void serve() throws IOException {
    final Management api = new Management(8080);
    if (kind != Kind.CONNECTORS) {
      api.route(kind == Kind.OPERATE ? "/v1/process-instances/search" : "/v1/tasks/search", this::search);
      // newer versions tell their health on a management port
      final Management management = new Management(9600);
      health(management);
      management.start();
    }
    // connectors and older versions on the port that they serve on
    health(api);
    api.start();
  }

  private void health(final Management management) {
    for (final String probe : List.of("startup", "readiness", "liveness")) {
      management.health("/actuator/health/" + probe, () -> ready);
    }
    management.health("/actuator/health", () -> ready);
  }

  private Management.Answer search(final Management.Request request) throws Exception {
    final JsonNode found = send("POST", "/" + kind.entities + "/_search?size=50&track_total_hits=true", "{}");
    final ObjectNode answer = JSON.createObjectNode();
    found.path("hits").path("hits").forEach(hit -> answer.withArray("items").add(hit.path("_source")));
    answer.put("total", found.path("hits").path("total").path("value").asLong());
    return Management.Answer.of(200, answer.toString());
  }

  private void run() throws InterruptedException {
    boolean made = false;
    while (true) {
      try {
        if (kind != Kind.CONNECTORS) {
          if (!made) {
            makeIndices();
            readPositions();
            made = true;
          }
          ready = true;
          importRecords();
        }
        ready = true;
      } catch (final IOException | RuntimeException e) {
        System.err.println(kind + ": " + e.getMessage());
        // what was imported is in the store, not here
        made = false;
      }
      Thread.sleep(1_000);
    }
  }

  private void makeIndices() throws IOException {
    for (final String index : List.of(kind.entities, kind.positions, kind.processes)) {
      final String body =
          """
          {"settings": {"number_of_shards": 1, "number_of_replicas": 0},
           "mappings": {"dynamic": true, "properties": {"importedTo": {"type": "long"}, "partition": {"type": "integer"}, "key": {"type": "long"}}}}
          """;
      final HttpResponse<String> answer = call("PUT", "/" + index, body);
      if (answer.statusCode() != 200 && !answer.body().contains("resource_already_exists_exception")) {
        throw new IOException("PUT " + index + ": " + answer.statusCode() + " " + answer.body());
      }
    }
  }

  private void readPositions() throws IOException {
    imported.clear();
    send("POST", "/" + kind.positions + "/_refresh", "");
    for (final JsonNode hit :
        send("POST", "/" + kind.positions + "/_search?size=1000", "{}").path("hits").path("hits")) {
      final JsonNode source = hit.path("_source");
      imported.put(source.path("partition").asInt(), source.path("importedTo").asLong());
    }
  }

  /** One page per partition and round, in the order of positions. */
  private void importRecords() throws IOException {
    final String records = "/zeebe-record_" + kind.records + "_*";
    final JsonNode partitions =
        send(
            "POST",
            records + "/_search?ignore_unavailable=true",
            "{\"size\":0,\"aggs\":{\"partitions\":{\"terms\":{\"field\":\"partitionId\",\"size\":1000}}}}");
    for (final JsonNode bucket : partitions.path("aggregations").path("partitions").path("buckets")) {
      final int partition = bucket.path("key").asInt();
      final String query =
          """
          {"size": %d, "sort": [{"position": "asc"}], "query": {"bool": {"filter": [
            {"term": {"partitionId": %d}}, {"range": {"position": {"gt": %d}}}]}}}
          """
              .formatted(PAGE, partition, imported.getOrDefault(partition, -1L));
      final JsonNode hits = send("POST", records + "/_search?ignore_unavailable=true", query).path("hits").path("hits");
      if (!hits.isEmpty()) {
        index(partition, hits);
      }
    }
  }

  private void index(final int partition, final JsonNode hits) throws IOException {
    final StringBuilder bulk = new StringBuilder();
    long last = -1;
    for (final JsonNode hit : hits) {
      final JsonNode record = hit.path("_source");
      last = record.path("position").asLong();
      final JsonNode value = record.path("value");
      if (kind == Kind.OPERATE && !value.path("bpmnElementType").asText().equals("PROCESS")) {
        continue;
      }
      final ObjectNode entity = JSON.createObjectNode();
      entity.put("key", record.path("key").asLong());
      entity.put("partition", partition);
      entity.put("state", record.path("intent").asText());
      entity.put("bpmnProcessId", value.path("bpmnProcessId").asText());
      action(bulk, kind.entities, record.path("key").asText(), entity);
    }
    final ObjectNode position = JSON.createObjectNode();
    position.put("aliasName", kind.records);
    position.put("partition", partition);
    position.put("importedTo", last);
    action(bulk, kind.positions, partition + "-" + kind.records, position);
    final JsonNode answer = send("POST", "/_bulk", bulk.toString());
    if (answer.path("errors").asBoolean()) {
      throw new IOException("refused by the store: " + answer);
    }
    imported.put(partition, last);
  }

  private static void action(final StringBuilder bulk, final String index, final String id, final ObjectNode document) {
    bulk.append("{\"index\":{\"_index\":\"").append(index).append("\",\"_id\":\"").append(id).append("\"}}\n");
    bulk.append(document).append('\n');
  }

  private JsonNode send(final String method, final String path, final String body) throws IOException {
    final HttpResponse<String> answer = call(method, path, body);
    if (answer.statusCode() >= 300) {
      throw new IOException(method + " " + path + ": " + answer.statusCode() + " " + answer.body());
    }
    return JSON.readTree(answer.body());
  }

  private HttpResponse<String> call(final String method, final String path, final String body) throws IOException {
    try {
      final HttpRequest request =
          HttpRequest.newBuilder(URI.create(store + path))
              .timeout(Duration.ofSeconds(10))
              .header("Content-Type", "application/json")
              .method(method, HttpRequest.BodyPublishers.ofString(body))
              .build();
      return http.send(request, HttpResponse.BodyHandlers.ofString());
    } catch (final InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted");
    }
  }
}
