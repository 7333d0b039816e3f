package c8.drill;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.camunda.zeebe.broker.SpringBrokerBridge;
import io.camunda.zeebe.broker.system.SystemContext;
import io.camunda.zeebe.broker.system.configuration.BrokerCfg;
import io.camunda.zeebe.broker.system.management.BrokerAdminService;
import io.camunda.zeebe.broker.system.monitoring.BrokerHealthCheckService;
import io.camunda.zeebe.broker.system.monitoring.Readiness;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.core.env.StandardEnvironment;

/**
 * A real broker, configured by the variables of the official image (ZEEBE_BROKER_*), with the management endpoints that the
 * distribution would add to it on port 9600.
 */
public final class Broker {
  private static final ObjectMapper JSON = new ObjectMapper().setSerializationInclusion(JsonInclude.Include.ALWAYS);
  private static final Map<String, Consumer<BrokerAdminService>> OPERATIONS =
      Map.of(
          "pauseExporting", BrokerAdminService::pauseExporting,
          "resumeExporting", BrokerAdminService::resumeExporting,
          "pauseProcessing", BrokerAdminService::pauseStreamProcessing,
          "resumeProcessing", BrokerAdminService::resumeStreamProcessing,
          "takeSnapshot", BrokerAdminService::takeSnapshot);

  private Broker() {}

  public static void main(final String[] args) throws Exception {
    final BrokerCfg config =
        Binder.get(new StandardEnvironment())
            .bind("zeebe.broker", Bindable.ofInstance(new BrokerCfg()))
            .orElseGet(BrokerCfg::new);
    final SpringBrokerBridge bridge = new SpringBrokerBridge();
    serve(bridge).start();

    final String base = System.getProperty("basedir", ".");
    // it must exist: the disk check of the broker looks at it before the broker makes it
    Files.createDirectories(Path.of(base).resolve(config.getData().getDirectory()));
    final SystemContext context = new SystemContext(config, base, null);
    context.getScheduler().start();
    final io.camunda.zeebe.broker.Broker broker = new io.camunda.zeebe.broker.Broker(context, bridge);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  // without a quorum, or out of an actor's thread as at an OutOfMemoryError, it would wait for itself
                  Management.haltAfter(4_000);
                  broker.close();
                  try {
                    context.getScheduler().stop().get();
                  } catch (final Exception e) {
                    System.err.println("scheduler: " + e);
                  }
                }));
    broker.start();
  }

  private static Management serve(final SpringBrokerBridge bridge) throws Exception {
    final Management management = new Management();
    management.health("/actuator/health/startup", () -> health(bridge, BrokerHealthCheckService::isBrokerStarted));
    management.health("/actuator/health/readiness", () -> health(bridge, Readiness::of));
    management.health("/actuator/health/liveness", () -> health(bridge, BrokerHealthCheckService::isBrokerHealthy));
    management.health("/actuator/health", () -> health(bridge, BrokerHealthCheckService::isBrokerHealthy));
    management.status("/startup", () -> health(bridge, BrokerHealthCheckService::isBrokerStarted));
    management.status("/ready", () -> health(bridge, Readiness::of));
    management.status("/health", () -> health(bridge, BrokerHealthCheckService::isBrokerHealthy));
    management.route("/actuator/partitions", request -> partitions(bridge, request));
    management.metrics();

    final Management betweenRegions = new Management(Exporting.PORT);
    betweenRegions.route("/actuator/partitions", request -> partitions(bridge, request));
    betweenRegions.start();
    return management;
  }

  private static boolean health(
      final SpringBrokerBridge bridge, final java.util.function.Predicate<BrokerHealthCheckService> test) {
    final Optional<BrokerHealthCheckService> service = bridge.getBrokerHealthCheckService();
    return service.isPresent() && test.test(service.get());
  }

  private static Management.Answer partitions(final SpringBrokerBridge bridge, final Management.Request request)
      throws Exception {
    final Optional<BrokerAdminService> admin = bridge.getAdminService();
    if (request.method().equals("POST")) {
      final Consumer<BrokerAdminService> operation = OPERATIONS.get(request.rest());
      if (operation == null) {
        return Management.Answer.of(404, "{}");
      }
      if (admin.isEmpty()) {
        return Management.Answer.of(503, "{\"message\":\"the broker is starting\"}");
      }
      operation.accept(admin.get());
    }
    final Object status = admin.<Object>map(BrokerAdminService::getPartitionStatus).orElse(Map.of());
    return Management.Answer.of(200, JSON.writeValueAsString(status));
  }
}
