module "retail" {
  source = "../.."

  name                = var.name
  deletion_protection = var.deletion_protection

  source_table = {
    hash_key  = { name = "invoice_no", type = "S" }
    range_key = { name = "line_no", type = "N" }
  }

  aggregates = {
    sales_by_product_day = {
      group_by    = ["stock_code"]
      where       = "quantity > 0"
      time_bucket = { attribute = "invoice_date", unit = "day", timezone = "Europe/London" }
      measures = {
        lines    = { function = "count" }
        quantity = { function = "sum", value = "quantity" }
        revenue  = { function = "sum", value = "quantity * unit_price" }
      }
    }

    sales_by_country = {
      group_by = ["country"]
      measures = {
        lines      = { function = "count" }
        revenue    = { function = "sum", value = "quantity * unit_price" }
        unit_price = { function = "avg", value = "unit_price" }
        largest    = { function = "max", value = "quantity * unit_price" }
        invoices   = { function = "distinct", value = "invoice_no" }
      }
      rank_by = "revenue"
    }

    sales_total = {
      measures = {
        lines    = { function = "count" }
        quantity = { function = "sum", value = "quantity" }
        revenue  = { function = "sum", value = "quantity * unit_price" }
      }
    }
  }

  create_api = true
  api = {
    methods = ["POST", "BATCH", "PUT", "DELETE"]
    attributes = {
      invoice_no   = { type = "S" }
      line_no      = { type = "N" }
      stock_code   = { type = "S", required = true }
      description  = { type = "S", required = true }
      quantity     = { type = "N", required = true, minimum = -100000, maximum = 100000 }
      invoice_date = { type = "S", required = true, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}" }
      unit_price   = { type = "N", required = true }
      customer_id  = { type = "S" }
      country      = { type = "S", required = true, max_length = 60 }
    }

    read = {}

    # Pages of the shop may call the API from a browser.
    cors = { allow_origin = "https://shop.example.com" }
  }

  create_backfill   = true
  create_monitoring = var.create_monitoring

  tags = { Example = "complete" }
}
