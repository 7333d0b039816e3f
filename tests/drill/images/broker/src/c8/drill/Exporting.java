package c8.drill;

import io.camunda.zeebe.gateway.impl.broker.BrokerClient;
import io.camunda.zeebe.gateway.impl.broker.cluster.BrokerClusterState;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/**
 * `POST /actuator/exporting/pause|resume` of 8.2: asks every replica of every partition, and is refused as a whole if one of them
 * can't be asked (dual-region.md 4.5).
 *
 * <p>8.2 sends the request over the command API, which 8.0 has no request for; here it goes to the management port of each broker.
 */
final class Exporting {
  private static final Map<String, String> OPERATIONS = Map.of("pause", "pauseExporting", "resume", "resumeExporting");

  private final Supplier<BrokerClient> client;
  private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(3)).build();

  Exporting(final Supplier<BrokerClient> client) {
    this.client = client;
  }

  Management.Answer answer(final Management.Request request) {
    final String operation = OPERATIONS.get(request.rest());
    if (operation == null) {
      return Management.Answer.of(404, "{}");
    }
    if (!request.method().equals("POST")) {
      return Management.Answer.of(405, "{}");
    }
    final BrokerClient known = client.get();
    final BrokerClusterState topology = known == null ? null : known.getTopologyManager().getTopology();
    if (topology == null || topology.getPartitionsCount() < 1) {
      return failed("Got no topology yet");
    }
    for (int partition = 1; partition <= topology.getPartitionsCount(); partition++) {
      final TreeSet<Integer> members = new TreeSet<>();
      if (topology.getFollowersForPartition(partition) != null) {
        members.addAll(topology.getFollowersForPartition(partition));
      }
      if (topology.getLeaderForPartition(partition) < 0) {
        return failed("Expected leader of partition " + partition + " to be known, but it is not");
      }
      members.add(topology.getLeaderForPartition(partition));
      // a broker that is gone may linger among the followers of 8.0's topology
      members.retainAll(topology.getBrokers());
      if (members.size() < topology.getReplicationFactor()) {
        return failed(
            "Expected %d members of partition %d but found %d, namely %s"
                .formatted(topology.getReplicationFactor(), partition, members.size(), members));
      }
    }
    final Map<Integer, CompletableFuture<HttpResponse<String>>> calls = new TreeMap<>();
    for (final int broker : topology.getBrokers()) {
      final String address = topology.getBrokerAddress(broker);
      final String host = address.substring(0, address.lastIndexOf(':'));
      final URI uri = URI.create("http://" + host + ":" + port(broker) + "/actuator/partitions/" + operation);
      final HttpRequest call =
          HttpRequest.newBuilder(uri)
              .timeout(Duration.ofSeconds(10))
              .POST(HttpRequest.BodyPublishers.noBody())
              .build();
      calls.put(broker, http.sendAsync(call, HttpResponse.BodyHandlers.ofString()));
    }
    final StringBuilder trouble = new StringBuilder();
    calls.forEach(
        (broker, call) -> {
          try {
            final HttpResponse<String> response = call.join();
            if (response.statusCode() != 200) {
              trouble.append("broker ").append(broker).append(" answered ").append(response.statusCode()).append("; ");
            }
          } catch (final RuntimeException e) {
            trouble.append("broker ").append(broker).append(": ").append(e.getMessage()).append("; ");
          }
        });
    return trouble.isEmpty() ? Management.Answer.of(204, "") : failed(trouble.toString());
  }

  /** 9600, or DRILL_MANAGEMENT_PORTS + 100 · id where several brokers share an address. */
  private static int port(final int broker) {
    final String base = System.getenv("DRILL_MANAGEMENT_PORTS");
    return base == null ? 9600 : Integer.parseInt(base) + 100 * broker;
  }

  private static Management.Answer failed(final String why) {
    return Management.Answer.of(500, "{\"message\":\"" + why.replaceAll("[\\\\\"\\n\\r]", " ") + "\"}");
  }
}
