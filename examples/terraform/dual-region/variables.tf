variable "project" {
  description = "Google Cloud project of both clusters."
  type        = string
}

variable "failover_active" {
  description = "The switch: true runs on the surviving region, false runs on both."
  type        = bool
  default     = false
}

variable "lost_region" {
  description = "Number of the region to give up. Needed only where both live and do not see each other."
  type        = number
  default     = null
}

variable "camunda_version" {
  description = "Version of Camunda in both regions: 8.2 to 8.7. Before 8.6 a fail-over works with temporary brokers."
  type        = string
  default     = "8.7.2"
}

variable "cluster_size" {
  description = "Brokers in both regions together: even, and a multiple of 4 before Camunda 8.6."
  type        = number
  default     = 8
}

variable "partition_count" {
  description = "Partitions of the engine."
  type        = number
  default     = 8
}

variable "failure_timeout" {
  description = "How long a broker may be silent before the others count it as gone."
  type        = string
  default     = "10s"
}

variable "machine_type" {
  description = "Machine type of the nodes."
  type        = string
  default     = "n2-standard-8"
}

variable "backup_bucket" {
  description = "Bucket of the snapshots with which a fail-back copies the search store."
  type        = string
}

variable "keep_backups" {
  description = "Refuse to destroy the bucket while snapshots are in it."
  type        = bool
  default     = true
}
