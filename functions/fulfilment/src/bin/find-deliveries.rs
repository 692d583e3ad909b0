//! The Lambda function `find-deliveries`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::find_deliveries::function())
}
