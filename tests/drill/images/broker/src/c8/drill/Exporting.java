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
 * <p>8.2 sends the request over the command API, which 8.0 has no request for. Here it goes to a port of its own beside that API: the
 * regions let each other in there, and not at the management port.
 */
final class Exporting {
  /** Where brokers take such requests. A broker without a gateway has it to spare. */
  static final int PORT = 26500;

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
      final URI uri = URI.create("http://" + host + ":" + PORT + "/actuator/partitions/" + operation);
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

  private static Management.Answer failed(final String why) {
    return Management.Answer.of(500, "{\"message\":\"" + why.replaceAll("[\\\\\"\\n\\r]", " ") + "\"}");
  }
}
