locals {
  # the whole installation, one entry per region in the order of the region numbers;
  # literals, so that every region knows its peer before that exists
  topology = [
    { location = "europe-west4-b", cluster = "camunda-zero", namespace = "camunda-ew4" },
    { location = "europe-west1-b", cluster = "camunda-one", namespace = "camunda-ew1" },
  ]
  regions = [c8_region.zero.ref, c8_region.one.ref]
}

resource "c8_region" "zero" {
  region_id = 0
  topology  = local.topology

  cluster {
    machine_type = var.machine_type
    min_nodes    = 1
    max_nodes    = 24
  }

  camunda {
    version         = var.camunda_version
    cluster_size    = var.cluster_size
    partition_count = var.partition_count
    failure_timeout = var.failure_timeout
  }
}

resource "c8_region" "one" {
  region_id = 1
  topology  = local.topology

  cluster {
    machine_type = var.machine_type
    min_nodes    = 1
    max_nodes    = 24
  }

  camunda {
    version         = var.camunda_version
    cluster_size    = var.cluster_size
    partition_count = var.partition_count
    failure_timeout = var.failure_timeout
  }
}

resource "c8_dns_chain" "this" {
  regions = local.regions
}

resource "c8_firewall" "this" {
  regions = local.regions
}

resource "c8_es_backup_repo" "this" {
  regions = local.regions

  bucket {
    name          = var.backup_bucket
    location      = "EU"
    force_destroy = !var.keep_backups
  }
}

resource "c8_failover" "this" {
  regions         = local.regions
  backup_repo     = c8_es_backup_repo.this.ref
  failover_active = var.failover_active
  lost_region     = var.lost_region

  # without this edge the transition could start before names resolve and traffic passes
  depends_on = [c8_dns_chain.this, c8_firewall.this]
}
