# Break glass: the state of the main configuration can't be reached, and a region is gone.
#
# This configuration is complete in itself: one resource, literals, local state, nothing upstream. The import block reads
# the running installation without needing its state, so the plan shows an update with evidence and steps.
#
#   terraform init
#   terraform plan  -var project=my-project
#   terraform apply -var project=my-project

terraform {
  required_version = ">= 1.5"

  required_providers {
    c8 = {
      source = "camunda-community-hub/c8"
    }
  }
}

variable "project" {
  description = "Google Cloud project of both clusters."
  type        = string
}

variable "failover_active" {
  description = "The switch: true runs on the surviving region."
  type        = bool
  default     = true
}

provider "c8" {
  project = var.project
}

import {
  to = c8_failover.this
  id = "${var.project}/europe-west4-b/camunda-zero/camunda-ew4,${var.project}/europe-west1-b/camunda-one/camunda-ew1"
}

resource "c8_failover" "this" {
  regions = [
    { region_id = 0, project = var.project, location = "europe-west4-b", cluster = "camunda-zero", namespace = "camunda-ew4" },
    { region_id = 1, project = var.project, location = "europe-west1-b", cluster = "camunda-one", namespace = "camunda-ew1" },
  ]
  failover_active = var.failover_active
}
