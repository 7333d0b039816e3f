# bucket and repository, then the two regions; another part is the group, where it is set
terraform import c8_es_backup_repo.this my-camunda-backup/camunda_backup,my-project/europe-west4-b/camunda-zero/camunda-ew4,my-project/europe-west1-b/camunda-one/camunda-ew1
