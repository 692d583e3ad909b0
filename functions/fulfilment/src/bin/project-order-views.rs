//! The Lambda function `project-order-views`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::project_order_views::function())
}
