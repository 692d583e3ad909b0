//! The Lambda function `get-order-view`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::get_order_view::function())
}
