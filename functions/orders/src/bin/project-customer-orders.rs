//! The Lambda function `project-customer-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&orders::project_customer_orders::function())
}
