//! The Lambda function `collect-order-event`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::collect_order_event::function())
}
