//! The Lambda function `start-cooking`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::start_cooking::function())
}
