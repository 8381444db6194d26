# The API as an OpenAPI 3.0 document, made of what is declared: a path for each aggregate, with the parameters of its group.

locals {
  openapi_error = { description = "{\"error\": {\"code\", \"message\"}}", content = { "application/json" = { schema = { "$ref" = "#/components/schemas/Error" } } } }

  openapi_headers = {
    "If-Match"        = { schema = { type = "string", enum = ["*"] }, description = "*: only where there is an item with this key." }
    "If-None-Match"   = { schema = { type = "string", enum = ["*"] }, description = "*: only where there is no item with this key." }
    "Idempotency-Key" = { schema = { type = "string", pattern = "^[A-Za-z0-9_-]{1,36}$" }, description = "A name for this batch: sent again within 10 minutes, it is not stored again." }
  }
  openapi_writes = {
    for method, it in local.operations : method => {
      path = "/${it.path}"
      operation = merge(
        {
          security    = local.security.write
          operationId = { POST = "post_item", BATCH = "post_batch", PUT = "put_item", DELETE = "delete_item" }[method]
          summary = {
            POST   = "Put one new item into the table."
            BATCH  = "Put new items into the table, all or nothing."
            PUT    = "Create or replace one item."
            DELETE = "Delete one item; it is deleted as well where there is none."
          }[method]
          parameters = concat(
            [for key in local.keys : { name = key.name, in = "path", required = true, description = "The item's ${key.name}.", schema = local.properties[key.name] } if it.path == local.item_path],
            [for name in it.headers : merge({ name = name, in = "header" }, local.openapi_headers[name]) if method != "DELETE" || name == "If-Match"],
          )
          responses = merge(
            { for status in concat(["400", "401", "403", "413", "415", "429", "500", "502", "503"], it.statuses) : status => local.openapi_error if status != "201" },
            {
              for status in [for status in concat([it.stored], it.statuses) : status if startswith(status, "2")] : status => {
                description = {
                  POST   = "Stored. A string key that was not sent is the request_id."
                  BATCH  = "All are stored."
                  PUT    = status == "201" ? "Created." : "Replaced."
                  DELETE = "Deleted, or not there."
                }[method]
                content = { "application/json" = { schema = { type = "object", required = ["request_id"], properties = { request_id = { type = "string" } } } } }
              }
            },
          )
        },
        { for name, schema in local.json_schemas : "requestBody" => { required = true, content = { "application/json" = { schema = schema } } } if name == method },
      )
    }
  }
  openapi_write_paths = {
    for path in distinct(values(local.openapi_writes)[*].path) : path => {
      for method, it in local.openapi_writes : lower(local.operations[method].http_method) => it.operation if it.path == path
    }
  }

  read_aggregates = try(var.read.rows.aggregates, {})

  # Parameters of all that gives pages of rows.
  openapi_page = [
    { name = "order", in = "query", description = "asc or desc, by time or by rank.", schema = { type = "string", enum = ["asc", "desc"] } },
    { name = "limit", in = "query", description = "Rows of the answer at most.", schema = { type = "integer", minimum = 1, maximum = 1000, default = 100 } },
    { name = "page", in = "query", description = "next_page of the answer before.", schema = { type = "string" } },
    { name = "measures", in = "query", description = "Names of measures, joined by commas. Left out: all.", schema = { type = "string" } },
    { name = "format", in = "query", description = "Left out: what the header Accept prefers.", schema = { type = "string", enum = ["json", "csv"] } },
  ]

  openapi_parameters = {
    for name, aggregate in local.read_aggregates : name => {
      group = flatten([
        for attribute in aggregate.group_by : [
          for prefix, type in { group = "a text", group_number = "a number", group_boolean = "true or false" } :
          { name = "${prefix}.${attribute}", in = "query", description = "The group's value of ${attribute} where it is ${type}. One of these is needed.", schema = { type = "string" } }
        ]
      ])
      bucket = [
        for parameter in [{ name = "bucket", in = "query", required = length(aggregate.units) > 1, description = "Unit of the buckets.", schema = { type = "string", enum = aggregate.units } }] :
        parameter if length(aggregate.units) > 0
      ]
      times = {
        for time, description in { at = "One bucket.", from = "The first bucket.", to = "The last bucket." } : time => {
          name                        = time
          in                          = "query"
          description                 = "${description} As rows have it in at, or a time in ISO 8601 that falls into it."
          schema                      = { type = "string" }
        } if length(aggregate.units) > 0
      }
      quantiles = [
        for parameter in [{ name = "quantiles", in = "query", description = "Numbers from 0 to 1, joined by commas. Left out: 0.5,0.95,0.99.", schema = { type = "string" } }] :
        parameter if contains(values(aggregate.measures), "percentile")
      ]
    }
  }

  openapi_rows = {
    for name, aggregate in local.read_aggregates : name => {
      responses = merge(
        { for status in ["400", "401", "403", "429", "500", "503"] : status => local.openapi_error },
        {
          "200" = {
            description = "Rows, and the token of the next page."
            content = {
              "application/json" = { schema = { "$ref" = "#/components/schemas/${name}" } }
              "text/csv"         = { schema = { type = "string" } }
            }
          }
          "304" = { description = "The answer is the one that If-None-Match names." }
        },
      )
    }
  }

  openapi_schemas = {
    for name, aggregate in local.read_aggregates : name => {
      type     = "object"
      required = ["aggregate", "rows", "next_page"]
      properties = {
        aggregate = { type = "string", enum = [name] }
        next_page = { type = "string", nullable = true }
        rows = {
          type = "array"
          items = {
            type     = "object"
            required = concat(["group", "items", "measures"], length(aggregate.units) > 0 ? ["bucket", "at", "bucket_start"] : [])
            properties = merge(
              {
                group    = { type = "object", properties = { for attribute in aggregate.group_by : attribute => { oneOf = [{ type = "string" }, { type = "number" }, { type = "boolean" }] } } }
                items    = { type = "number", nullable = true }
                measures = { type = "object", properties = { for measure, function in aggregate.measures : measure => local.openapi_measures[function] } }
              },
              {
                for property, schema in {
                  bucket       = { type = "string", enum = aggregate.units }
                  at           = { type = "string" }
                  bucket_start = { type = "string", format = "date-time" }
                } : property => schema if length(aggregate.units) > 0
              },
            )
          }
        }
      }
    }
  }
  openapi_measures = merge(
    { for function in ["avg", "count", "distinct", "max", "min", "stddev", "sum", "variance"] : function => { type = "number", nullable = true } },
    { for function in ["first", "last"] : function => { description = "A text, a number or true or false; null where there is none." } },
    { percentile = { type = "object", nullable = true, additionalProperties = { type = "number" } } },
  )

  openapi_lists = {
    for path in ["/aggregates", "/aggregates/{aggregate}"] : path => {
      get = {
        security    = local.security.read
        summary     = "What is declared."
        operationId = path == "/aggregates" ? "list_aggregates" : "get_aggregate"
        parameters  = [for it in [{ name = "aggregate", in = "path", required = true, schema = { type = "string", enum = keys(local.read_aggregates) } }] : it if path != "/aggregates"]
        responses = merge(
          { for status in ["400", "401", "403", "404", "429", "500"] : status => local.openapi_error },
          {
            "200" = {
              description = "Aggregates with the attributes of their groups, buckets, measures and ranking."
              content     = { "application/json" = { schema = { type = "object", required = ["aggregates"], properties = { aggregates = { type = "array", items = { type = "object" } } } } } }
            }
            "304" = { description = "The answer is the one that If-None-Match names." }
          },
        )
      }
    } if var.read != null
  }

  openapi = {
    openapi = "3.0.3"
    info    = { title = local.api_name, version = "1", description = aws_api_gateway_rest_api.this.description }
    servers = [{ url = local.url }]
    paths = merge(
      local.openapi_write_paths,
      local.openapi_lists,
      {
        for name, aggregate in local.read_aggregates : "/aggregates/${name}/rows" => {
          get = {
            security    = local.security.read
            summary     = "Rows of one group of ${name}."
            operationId = "${name}_rows"
            parameters  = concat(local.openapi_parameters[name].group, local.openapi_parameters[name].bucket, values(local.openapi_parameters[name].times), local.openapi_page, local.openapi_parameters[name].quantiles)
            responses   = local.openapi_rows[name].responses
          }
        }
      },
      {
        for name, aggregate in local.read_aggregates : "/aggregates/${name}/groups" => {
          get = {
            security    = local.security.read
            summary     = "Rows of all groups of one bucket of ${name}, in the order of ${aggregate.rank_by}."
            operationId = "${name}_groups"
            parameters = concat(
              local.openapi_parameters[name].bucket,
              [for time, parameter in local.openapi_parameters[name].times : merge(parameter, { required = true }) if time == "at"],
              [{ name = "by", in = "query", description = "The measure that they are ranked by.", schema = { type = "string", enum = [aggregate.rank_by] } }],
              local.openapi_page,
              local.openapi_parameters[name].quantiles,
            )
            responses = local.openapi_rows[name].responses
          }
        } if aggregate.rank_by != null
      },
    )
    components = {
      securitySchemes = local.security_schemes_in_use
      schemas = merge(
        {
          Error = {
            type       = "object"
            required   = ["error"]
            properties = { error = { type = "object", required = ["code", "message"], properties = { code = { type = "string" }, message = { type = "string" } } } }
          }
        },
        local.openapi_schemas,
      )
    }
  }
}
