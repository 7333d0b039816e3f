package io.camunda.zeebe.broker.system.monitoring;

/** Opens what the distribution's readiness indicator asks, which is visible in this package alone. */
public final class Readiness {
  private Readiness() {}

  /** Started, and each replica of this broker has a role. */
  public static boolean of(final BrokerHealthCheckService service) {
    return service.isBrokerReady();
  }
}
