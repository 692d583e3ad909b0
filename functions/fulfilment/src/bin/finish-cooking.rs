//! The Lambda function `finish-cooking`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::finish_cooking::function())
}
