# for a cluster whose DNS is managed elsewhere; `c8_dns_chain` does this by itself
output "stub_domains" {
  value = jsonencode(provider::c8::stub_domains(["10.164.0.53"], "camunda-ew1"))
}
