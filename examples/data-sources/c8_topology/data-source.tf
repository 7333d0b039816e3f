data "c8_topology" "this" {
  topology = [
    { location = "europe-west4-b", cluster = "camunda-zero", namespace = "camunda-ew4" },
    { location = "europe-west1-b", cluster = "camunda-one", namespace = "camunda-ew1" },
  ]
}

check "every_partition_is_led" {
  assert {
    condition     = alltrue([for partition in data.c8_topology.this.partitions : partition.healthy])
    error_message = "Some partition has no leader, or a replica that is not healthy."
  }
}

output "leaders" {
  value = { for partition in data.c8_topology.this.partitions : partition.id => partition.leader }
}
