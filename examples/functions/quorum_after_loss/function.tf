variable "cluster_size" {
  type    = number
  default = 8
}

# any single broker may fail; without a fail-over, no cluster outlives the loss of a region
check "one_broker_may_fail" {
  assert {
    condition = alltrue([
      for id in provider::c8::broker_ids(var.cluster_size, null) :
      provider::c8::quorum_after_loss(var.cluster_size, 8, null, id).available
    ])
    error_message = "Some partition stops when a single broker is lost."
  }
}

output "stopped_without_region_1" {
  value = provider::c8::quorum_after_loss(8, 8, null, provider::c8::broker_ids(8, 1)...).stopped_partitions
}
