# the two regions; a third part is the group, where it is set
terraform import c8_dns_chain.this my-project/europe-west4-b/camunda-zero/camunda-ew4,my-project/europe-west1-b/camunda-one/camunda-ew1
