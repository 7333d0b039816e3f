resource "c8_firewall" "this" {
  regions = [c8_region.zero.ref, c8_region.one.ref]
}
