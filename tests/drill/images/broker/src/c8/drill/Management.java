package c8.drill;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.prometheus.client.Collector;
import io.prometheus.client.CollectorRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;

/** The management port: health, metrics and what else is put on it. */
final class Management {
  record Request(String method, String path, String rest, String body) {}

  record Answer(int status, String type, String body) {
    static Answer of(final int status, final String json) {
      return new Answer(status, "application/json", json);
    }
  }

  @FunctionalInterface
  interface Handler {
    Answer answer(Request request) throws Exception;
  }

  private final HttpServer server;
  /** Longest paths first, so that `/actuator/health/readiness` is not taken for `/actuator/health`. */
  private final Map<String, Handler> routes = new ConcurrentSkipListMap<>(Collections.reverseOrder());

  Management() throws IOException {
    this(Integer.parseInt(System.getenv().getOrDefault("SERVER_PORT", "9600")));
  }

  Management(final int port) throws IOException {
    final String host = System.getenv().getOrDefault("SERVER_ADDRESS", "0.0.0.0");
    server = HttpServer.create(new InetSocketAddress(host, port), 0);
    server.setExecutor(
        Executors.newFixedThreadPool(
            4,
            task -> {
              final Thread thread = new Thread(task, "management");
              thread.setDaemon(true);
              return thread;
            }));
    server.createContext("/", this::handle);
  }

  void start() {
    server.start();
  }

  void route(final String path, final Handler handler) {
    routes.put(path, handler);
  }

  /** As the actuator says it: a body, and 200 or 503. */
  void health(final String path, final BooleanSupplier up) {
    route(
        path,
        request -> {
          final boolean is = up.getAsBoolean();
          return Answer.of(is ? 200 : 503, "{\"status\":\"" + (is ? "UP" : "DOWN") + "\"}");
        });
  }

  /** As the short paths of older versions say it: no body, and 204 or 503. */
  void status(final String path, final BooleanSupplier up) {
    route(path, request -> Answer.of(up.getAsBoolean() ? 204 : 503, ""));
  }

  void metrics() {
    route("/actuator/prometheus", request -> new Answer(200, "text/plain; version=0.0.4; charset=utf-8", exposition()));
  }

  private void handle(final HttpExchange exchange) throws IOException {
    Answer answer;
    try (exchange) {
      try {
        final String path = exchange.getRequestURI().getPath();
        answer = Answer.of(404, "{\"status\":404,\"error\":\"Not Found\"}");
        for (final Map.Entry<String, Handler> route : routes.entrySet()) {
          if (path.equals(route.getKey()) || path.startsWith(route.getKey() + "/")) {
            final String rest = path.equals(route.getKey()) ? "" : path.substring(route.getKey().length() + 1);
            final String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            answer = route.getValue().answer(new Request(exchange.getRequestMethod(), path, rest, body));
            break;
          }
        }
      } catch (final Throwable e) {
        answer = Answer.of(500, "{\"message\":\"" + e.toString().replaceAll("[\\\\\"\\n\\r]", " ") + "\"}");
      }
      final byte[] bytes = answer.body().getBytes(StandardCharsets.UTF_8);
      exchange.getResponseHeaders().add("Content-Type", answer.type());
      exchange.sendResponseHeaders(answer.status(), bytes.length == 0 ? -1 : bytes.length);
      if (bytes.length > 0) {
        exchange.getResponseBody().write(bytes);
      }
    }
  }

  /** The default registry in the text format; append and commit index of each partition are among its gauges. */
  private static String exposition() {
    final StringBuilder text = new StringBuilder();
    for (final Collector.MetricFamilySamples family :
        Collections.list(CollectorRegistry.defaultRegistry.metricFamilySamples())) {
      text.append("# TYPE ").append(family.name).append(' ').append(family.type.name().toLowerCase()).append('\n');
      for (final Collector.MetricFamilySamples.Sample sample : family.samples) {
        text.append(sample.name);
        for (int i = 0; i < sample.labelNames.size(); i++) {
          text.append(i == 0 ? '{' : ',').append(sample.labelNames.get(i)).append("=\"");
          text.append(sample.labelValues.get(i).replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n"));
          text.append('"');
        }
        text.append(sample.labelNames.isEmpty() ? " " : "} ").append(Collector.doubleToGoString(sample.value)).append('\n');
      }
    }
    return text.toString();
  }

  static void haltAfter(final long milliseconds) {
    final Thread dog =
        new Thread(
            () -> {
              try {
                Thread.sleep(milliseconds);
              } catch (final InterruptedException e) {
                return;
              }
              Runtime.getRuntime().halt(3);
            });
    dog.setDaemon(true);
    dog.start();
  }
}
