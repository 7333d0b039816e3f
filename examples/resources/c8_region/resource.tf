resource "c8_region" "zero" {
  region_id = 0

  topology = [
    { location = "europe-west4-b", cluster = "camunda-zero", namespace = "camunda-ew4" },
    { location = "europe-west1-b", cluster = "camunda-one", namespace = "camunda-ew1" },
  ]

  cluster {
    machine_type = "n2-standard-8"
    min_nodes    = 1
    max_nodes    = 24
  }

  camunda {
    version         = "8.7.2"
    cluster_size    = 8
    partition_count = 8
  }
}
