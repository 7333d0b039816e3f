# works while nothing answers: a lost state can be imported in an outage
terraform import c8_region.zero my-project/europe-west4-b/camunda-zero/camunda-ew4
