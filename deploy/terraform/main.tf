# An example: what the service needs of RabbitMQ and PostgreSQL, for those who manage them with Terraform. The service
# declares the same topology itself at every start, for which its user needs `configure`. A stream with other limits is
# taken as it is, with a warning; an exchange or queue of another kind (406) keeps the service from becoming ready.
terraform {
  required_version = ">= 1.6"
  required_providers {
    rabbitmq   = { source = "cyrilgdn/rabbitmq", version = "~> 1.8" }
    postgresql = { source = "cyrilgdn/postgresql", version = "~> 1.25" }
  }
}

variable "vhost" {
  type    = string
  default = "/"
}

variable "stream_max_age" {
  description = "AMQP_STREAM_MAX_AGE in seconds: how long the service may be away. Later changed by a policy, see stream_max_bytes."
  type        = number
  default     = 604800
}

variable "stream_max_bytes" {
  description = "AMQP_STREAM_MAX_BYTES when the stream is made. Another value here would delete the stream; a policy (max-length-bytes) changes it while it lives."
  type        = number
  default     = 50000000000
}

variable "publisher_password" {
  type      = string
  sensitive = true
}

variable "service_password" {
  type      = string
  sensitive = true
}

variable "database_password" {
  type      = string
  sensitive = true
}

variable "operator_password" {
  type      = string
  sensitive = true
}

# --- RabbitMQ: topology -------------------------------------------------------------------------------------------

resource "rabbitmq_exchange" "usage" {
  name  = "analytics.usage"
  vhost = var.vhost
  settings {
    type    = "topic"
    durable = true
  }
}

resource "rabbitmq_exchange" "control" {
  name  = "analytics.control"
  vhost = var.vhost
  settings {
    type    = "direct"
    durable = true
  }
}

resource "rabbitmq_queue" "usage" {
  name  = "analytics.usage.v1"
  vhost = var.vhost
  lifecycle { prevent_destroy = true }
  settings {
    durable = true
    arguments_json = jsonencode({
      "x-queue-type"                    = "stream"
      "x-max-age"                       = "${var.stream_max_age}s"
      "x-max-length-bytes"              = var.stream_max_bytes
      "x-stream-max-segment-size-bytes" = 500000000
    })
  }
}

resource "rabbitmq_binding" "usage" {
  source           = rabbitmq_exchange.usage.name
  vhost            = var.vhost
  destination      = rabbitmq_queue.usage.name
  destination_type = "queue"
  routing_key      = "usage.#"
}

locals {
  # Work requests; each name is the routing key and the queue.
  work_queues = toset(["exports.requested", "reaggregations.requested"])
  dead_queue  = "analytics.control.dead"
}

resource "rabbitmq_queue" "work" {
  for_each = local.work_queues
  name     = each.value
  vhost    = var.vhost
  settings {
    durable = true
    arguments_json = jsonencode({
      "x-queue-type"              = "quorum"
      "x-delivery-limit"          = 5
      "x-dead-letter-exchange"    = rabbitmq_exchange.control.name
      "x-dead-letter-routing-key" = local.dead_queue
      # Otherwise a dead letter may be lost.
      "x-dead-letter-strategy" = "at-least-once"
      "x-overflow"             = "reject-publish"
    })
  }
}

resource "rabbitmq_queue" "dead" {
  name  = local.dead_queue
  vhost = var.vhost
  settings {
    durable        = true
    arguments_json = jsonencode({ "x-queue-type" = "quorum" })
  }
}

resource "rabbitmq_binding" "control" {
  for_each         = setunion(local.work_queues, [local.dead_queue])
  source           = rabbitmq_exchange.control.name
  vhost            = var.vhost
  destination      = each.value
  destination_type = "queue"
  routing_key      = each.value
  depends_on       = [rabbitmq_queue.work, rabbitmq_queue.dead]
}

# --- RabbitMQ: users ----------------------------------------------------------------------------------------------

# The router: publishes usage and nothing else.
resource "rabbitmq_user" "publisher" {
  name     = "usage-publisher"
  password = var.publisher_password
  tags     = []
}

resource "rabbitmq_permissions" "publisher" {
  user  = rabbitmq_user.publisher.name
  vhost = var.vhost
  permissions {
    configure = ""
    write     = "^analytics\\.usage$"
    read      = ""
  }
}

resource "rabbitmq_user" "service" {
  name     = "usage-analytics"
  password = var.service_password
  tags     = []
}

resource "rabbitmq_permissions" "service" {
  user  = rabbitmq_user.service.name
  vhost = var.vhost
  permissions {
    configure = "^(analytics\\.|exports\\.|reaggregations\\.)"
    write     = "^(analytics\\.|exports\\.|reaggregations\\.)"
    read      = "^(analytics\\.|exports\\.|reaggregations\\.)"
  }
}

# --- PostgreSQL ---------------------------------------------------------------------------------------------------

resource "postgresql_role" "service" {
  name     = "usage_analytics"
  login    = true
  password = var.database_password
}

resource "postgresql_database" "service" {
  name  = "usage_analytics"
  owner = postgresql_role.service.name
}

# Reads everything but the hashes of API keys (docs/security.md). The migration gives it its rights, where it is made
# later than the schema: select grant_to_roles(), as the service's role.
resource "postgresql_role" "reader" {
  name = "usage_analytics_reader"
}

# For the runbooks: sees sessions and locks of all, ends sessions, and reads what the service has written.
resource "postgresql_role" "operator" {
  name     = "usage_operator"
  login    = true
  password = var.operator_password
  roles    = ["pg_monitor", "pg_signal_backend", postgresql_role.reader.name]
}

resource "postgresql_extension" "timescaledb" {
  name     = "timescaledb"
  database = postgresql_database.service.name
}
