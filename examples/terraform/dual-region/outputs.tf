output "regions" {
  description = "References to both regions, for other configurations."
  value       = local.regions
}

output "backup_repo" {
  description = "Reference to the backup repository."
  value       = c8_es_backup_repo.this.ref
}

output "broker_ids" {
  description = "Node ids of the brokers, by region."
  value       = { zero = c8_region.zero.broker_ids, one = c8_region.one.broker_ids }
}
