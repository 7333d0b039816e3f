resource "c8_es_backup_repo" "this" {
  regions = [c8_region.zero.ref, c8_region.one.ref]

  bucket {
    name     = "my-camunda-backup"
    location = "EU"
  }
}
