terraform {
  required_providers {
    c8 = {
      source = "camunda-community-hub/c8"
    }
  }
}

provider "c8" {
  project = "my-project"
}
