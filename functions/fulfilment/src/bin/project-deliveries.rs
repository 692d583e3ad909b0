//! The Lambda function `project-deliveries`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::project_deliveries::function())
}
