# In a repository of your own the source is the git address of the module, with a version: ?ref=v0.1.0.
module "orders" {
  source = "../.."

  name                = var.name
  deletion_protection = var.deletion_protection
  source_table        = { hash_key = { name = "order_id", type = "S" } }

  aggregates = {
    revenue_by_customer = {
      group_by = ["customer"]
      where    = "status == 'paid'"
      measures = {
        orders  = { function = "count" }
        revenue = { function = "sum", value = "amount" }
      }
    }
  }
}
