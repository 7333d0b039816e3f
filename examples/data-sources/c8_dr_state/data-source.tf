data "c8_dr_state" "this" {
  topology = [
    { location = "europe-west4-b", cluster = "camunda-zero", namespace = "camunda-ew4" },
    { location = "europe-west1-b", cluster = "camunda-one", namespace = "camunda-ew1" },
  ]
}

output "evidence" {
  value = data.c8_dr_state.this.evidence
}
