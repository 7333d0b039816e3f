package io.camunda.zeebe.exporter;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.camunda.zeebe.exporter.api.Exporter;
import io.camunda.zeebe.exporter.api.context.Context;
import io.camunda.zeebe.exporter.api.context.Controller;
import io.camunda.zeebe.protocol.record.Record;
import io.camunda.zeebe.protocol.record.RecordType;
import io.camunda.zeebe.protocol.record.ValueType;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import org.slf4j.Logger;

/**
 * Writes what Camunda's exporter of this name writes, with its arguments: events to `<prefix>_<value type>_<version>_<day>` under the id
 * `<partition>-<position>`, routed by partition. Its position advances by what a bulk request without errors has stored, so a record may
 * come twice and never not at all.
 */
public class ElasticsearchExporter implements Exporter {
  /** `args` of the configuration. */
  public static class Arguments {
    public String url = "http://localhost:9200";
    public int requestTimeoutMs = 30_000;
    public Bulk bulk = new Bulk();
    public Index index = new Index();
  }

  public static class Bulk {
    public int delay = 5;
    public int size = 1000;
    public int memoryLimit = 10 * 1024 * 1024;
  }

  public static class Index {
    public String prefix = "zeebe-record";
  }

  private static final DateTimeFormatter DAY = DateTimeFormatter.ofPattern("yyyy-MM-dd").withZone(ZoneOffset.UTC);
  private static final ObjectMapper JSON = new ObjectMapper();
  /** One for all partitions and both stores: each has threads of its own. */
  private static final HttpClient HTTP =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(2)).build();

  private Logger log;
  private Arguments arguments;
  private Controller controller;
  private final StringBuilder bulk = new StringBuilder();
  private int buffered;
  private long last = -1;
  private boolean template;

  @Override
  public void configure(final Context context) {
    log = context.getLogger();
    arguments = context.getConfiguration().instantiate(Arguments.class);
    context.setFilter(
        new Context.RecordFilter() {
          @Override
          public boolean acceptType(final RecordType type) {
            return type == RecordType.EVENT;
          }

          @Override
          public boolean acceptValue(final ValueType type) {
            return type != ValueType.NULL_VAL && type != ValueType.SBE_UNKNOWN;
          }
        });
  }

  @Override
  public void open(final Controller controller) {
    this.controller = controller;
    schedule();
  }

  @Override
  public void close() {
    try {
      flush();
    } catch (final RuntimeException e) {
      log.warn("Could not flush on closing: {}", e.getMessage());
    }
  }

  @Override
  public void export(final Record<?> record) {
    // a record is offered again after an exception: then it is buffered already
    if (record.getPosition() > last) {
      bulk.append("{\"index\":{\"_index\":\"").append(index(record)).append("\",\"_id\":\"");
      bulk.append(record.getPartitionId()).append('-').append(record.getPosition());
      bulk.append("\",\"routing\":\"").append(record.getPartitionId()).append("\"}}\n");
      bulk.append(record.toJson()).append('\n');
      last = record.getPosition();
      buffered++;
    }
    if (buffered >= arguments.bulk.size || bulk.length() >= arguments.bulk.memoryLimit) {
      flush();
    }
  }

  private String index(final Record<?> record) {
    final String type = record.getValueType().name().toLowerCase().replace('_', '-');
    final String day = DAY.format(Instant.ofEpochMilli(record.getTimestamp()));
    return arguments.index.prefix + "_" + type + "_" + record.getBrokerVersion() + "_" + day;
  }

  private void schedule() {
    controller.scheduleCancellableTask(
        Duration.ofSeconds(arguments.bulk.delay),
        () -> {
          try {
            flush();
          } catch (final RuntimeException e) {
            log.warn("Could not flush, trying again: {}", e.getMessage());
          }
          schedule();
        });
  }

  private void flush() {
    if (buffered == 0) {
      return;
    }
    try {
      if (!template) {
        send("PUT", "/_index_template/" + arguments.index.prefix, template());
        template = true;
      }
      final JsonNode answer = send("POST", "/_bulk", bulk.toString());
      if (answer.path("errors").asBoolean()) {
        throw new IllegalStateException("refused by the store: " + firstError(answer));
      }
    } catch (final RuntimeException e) {
      // the store may have been replaced by an empty one
      template = false;
      throw e;
    }
    bulk.setLength(0);
    buffered = 0;
    controller.updateLastExportedRecordPosition(last);
  }

  private static String firstError(final JsonNode answer) {
    for (final JsonNode item : answer.path("items")) {
      final JsonNode error = item.path("index").path("error");
      if (!error.isMissingNode()) {
        return error.toString();
      }
    }
    return "no reason given";
  }

  private JsonNode send(final String method, final String path, final String body) {
    try {
      final HttpRequest request =
          HttpRequest.newBuilder(URI.create(arguments.url + path))
              .timeout(Duration.ofMillis(arguments.requestTimeoutMs))
              .header("Content-Type", "application/json")
              .method(method, HttpRequest.BodyPublishers.ofString(body))
              .build();
      final HttpResponse<String> response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
      if (response.statusCode() >= 300) {
        throw new IllegalStateException(method + " " + path + ": " + response.statusCode() + " " + response.body());
      }
      return JSON.readTree(response.body());
    } catch (final java.io.IOException e) {
      throw new IllegalStateException(method + " " + arguments.url + path + ": " + e);
    } catch (final InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted");
    }
  }

  /** No replicas, as Camunda's templates; what users put into variables must not become fields that contradict each other. */
  private String template() {
    return """
        {"index_patterns": ["%s_*"], "priority": 20, "template": {
          "settings": {"number_of_shards": 1, "number_of_replicas": 0},
          "mappings": {"dynamic": true, "properties": {
            "position": {"type": "long"}, "sourceRecordPosition": {"type": "long"}, "key": {"type": "long"},
            "timestamp": {"type": "date"}, "partitionId": {"type": "integer"}, "valueType": {"type": "keyword"},
            "recordType": {"type": "keyword"}, "intent": {"type": "keyword"}, "rejectionType": {"type": "keyword"},
            "rejectionReason": {"type": "text"}, "brokerVersion": {"type": "keyword"},
            "value": {"dynamic": true, "properties": {
              "variables": {"type": "object", "enabled": false}, "customHeaders": {"type": "object", "enabled": false},
              "resources": {"type": "object", "enabled": false}, "resource": {"type": "binary", "doc_values": false},
              "bpmnProcessId": {"type": "keyword"}, "elementId": {"type": "keyword"}, "bpmnElementType": {"type": "keyword"},
              "value": {"type": "text"}, "errorMessage": {"type": "text"}}}}}}}
        """
        .formatted(arguments.index.prefix);
  }
}
