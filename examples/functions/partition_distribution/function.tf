# { "1" = [0, 1, 2, 3], "2" = [1, 2, 3, 4], … }
output "brokers_by_partition" {
  value = {
    for partition in provider::c8::partition_distribution(8, 8, null) :
    partition.partition_id => partition.brokers
  }
}
