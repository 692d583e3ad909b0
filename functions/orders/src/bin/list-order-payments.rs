//! The Lambda function `list-order-payments`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::list_order_payments::function())
}
