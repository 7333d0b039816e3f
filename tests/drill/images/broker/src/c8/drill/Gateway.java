package c8.drill;

import io.atomix.cluster.AtomixCluster;
import io.atomix.cluster.Node;
import io.atomix.cluster.discovery.BootstrapDiscoveryProvider;
import io.atomix.cluster.protocol.SwimMembershipProtocol;
import io.atomix.utils.net.Address;
import io.camunda.zeebe.gateway.health.Status;
import io.camunda.zeebe.gateway.impl.broker.BrokerClient;
import io.camunda.zeebe.gateway.impl.broker.BrokerClientImpl;
import io.camunda.zeebe.gateway.impl.configuration.ClusterCfg;
import io.camunda.zeebe.gateway.impl.configuration.GatewayCfg;
import io.camunda.zeebe.gateway.impl.configuration.MembershipCfg;
import io.camunda.zeebe.util.sched.ActorScheduler;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.core.env.StandardEnvironment;

/**
 * The stand-alone gateway, configured by the variables of the official image (ZEEBE_GATEWAY_*), and the management contract of 8.2:
 * pausing and resuming all exporters.
 *
 * <p>8.0 knows one contact point and no advertised host; both are read here, since the membership is set up here.
 */
public final class Gateway {
  private Gateway() {}

  public static void main(final String[] args) throws Exception {
    final StandardEnvironment environment = new StandardEnvironment();
    final GatewayCfg config =
        Binder.get(environment)
            .bind("zeebe.gateway", Bindable.ofInstance(new GatewayCfg()))
            .orElseGet(GatewayCfg::new);
    config.init();
    final ClusterCfg membership = config.getCluster();
    final String advertised = environment.getProperty("ZEEBE_GATEWAY_CLUSTER_ADVERTISEDHOST", membership.getHost());
    final List<Node> contacts =
        Arrays.stream(
                environment
                    .getProperty("ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS", membership.getContactPoint())
                    .split(","))
            .map(String::trim)
            .filter(point -> !point.isEmpty())
            .map(point -> Node.builder().withAddress(Address.from(point)).build())
            .toList();

    final AtomicReference<BrokerClient> client = new AtomicReference<>();
    final AtomicReference<io.camunda.zeebe.gateway.Gateway> running = new AtomicReference<>();
    serve(client, running).start();

    final AtomixCluster cluster =
        AtomixCluster.builder()
            .withClusterId(membership.getClusterName())
            .withMemberId(membership.getMemberId())
            .withMessagingInterface(membership.getHost())
            .withMessagingPort(membership.getPort())
            .withAddress(Address.from(advertised, membership.getPort()))
            .withMembershipProvider(BootstrapDiscoveryProvider.builder().withNodes(contacts).build())
            .withMembershipProtocol(swim(membership.getMembership()))
            .withMessageCompression(membership.getMessageCompression())
            .build();
    final ActorScheduler scheduler =
        ActorScheduler.newActorScheduler()
            .setCpuBoundActorThreadCount(config.getThreads().getManagementThreads())
            .setIoBoundActorThreadCount(0)
            .setSchedulerName("gateway-scheduler")
            .build();
    scheduler.start();
    cluster.start().join();
    final io.camunda.zeebe.gateway.Gateway gateway =
        new io.camunda.zeebe.gateway.Gateway(
            config,
            with -> {
              final BrokerClient made =
                  new BrokerClientImpl(
                      with,
                      cluster.getMessagingService(),
                      cluster.getMembershipService(),
                      cluster.getEventService(),
                      scheduler,
                      false);
              client.set(made);
              return made;
            },
            scheduler);
    gateway.start().join(30, TimeUnit.SECONDS);
    running.set(gateway);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  Management.haltAfter(5_000);
                  gateway.stop();
                  cluster.stop().join();
                }));
    Thread.currentThread().join();
  }

  private static io.atomix.cluster.protocol.GroupMembershipProtocol swim(final MembershipCfg config) {
    return SwimMembershipProtocol.builder()
        .withBroadcastDisputes(config.isBroadcastDisputes())
        .withBroadcastUpdates(config.isBroadcastUpdates())
        .withFailureTimeout(config.getFailureTimeout())
        .withGossipFanout(config.getGossipFanout())
        .withGossipInterval(config.getGossipInterval())
        .withNotifySuspect(config.isNotifySuspect())
        .withProbeInterval(config.getProbeInterval())
        .withProbeTimeout(config.getProbeTimeout())
        .withSuspectProbes(config.getSuspectProbes())
        .withSyncInterval(config.getSyncInterval())
        .build();
  }

  private static Management serve(
      final AtomicReference<BrokerClient> client, final AtomicReference<io.camunda.zeebe.gateway.Gateway> running)
      throws Exception {
    final Management management = new Management();
    management.health("/actuator/health/startup", () -> running.get() != null);
    management.health("/actuator/health/liveness", () -> running.get() != null);
    // as the distribution's: ready once any broker is known, whatever leads
    management.health("/actuator/health/readiness", () -> brokers(client) > 0);
    management.health("/actuator/health", () -> running.get() != null && running.get().getStatus() == Status.RUNNING);
    management.status("/ready", () -> brokers(client) > 0);
    management.status("/health", () -> running.get() != null && running.get().getStatus() == Status.RUNNING);
    final Exporting exporting = new Exporting(client::get);
    management.route("/actuator/exporting", exporting::answer);
    management.metrics();
    return management;
  }

  private static int brokers(final AtomicReference<BrokerClient> client) {
    final BrokerClient known = client.get();
    if (known == null || known.getTopologyManager().getTopology() == null) {
      return 0;
    }
    return known.getTopologyManager().getTopology().getBrokers().size();
  }
}
