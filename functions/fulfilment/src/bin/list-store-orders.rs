//! The Lambda function `list-store-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::list_store_orders::function())
}
