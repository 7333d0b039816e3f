terraform {
  required_version = ">= 1.5"

  required_providers {
    c8 = {
      source = "camunda-community-hub/c8"
    }
  }
}

provider "c8" {
  project = var.project
}
