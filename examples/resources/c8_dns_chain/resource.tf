resource "c8_dns_chain" "this" {
  regions = [c8_region.zero.ref, c8_region.one.ref]
}
