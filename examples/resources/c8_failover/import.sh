terraform import c8_failover.this my-project/europe-west4-b/camunda-zero/camunda-ew4,my-project/europe-west1-b/camunda-one/camunda-ew1
