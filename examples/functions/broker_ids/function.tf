output "brokers_of_region_1" {
  value = provider::c8::broker_ids(8, 1) # [1, 3, 5, 7]
}

output "all_brokers" {
  value = provider::c8::broker_ids(8, null) # [0, 1, 2, 3, 4, 5, 6, 7]
}
