resource "c8_failover" "this" {
  regions         = [c8_region.zero.ref, c8_region.one.ref]
  backup_repo     = c8_es_backup_repo.this.ref
  failover_active = false

  # without this edge the transition could start before names resolve and traffic passes
  depends_on = [c8_dns_chain.this, c8_firewall.this]
}
