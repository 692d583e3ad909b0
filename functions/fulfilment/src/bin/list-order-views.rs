//! The Lambda function `list-order-views`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::list_order_views::function())
}
