//! The Lambda function `list-changed-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::list_changed_orders::function())
}
