//! The Lambda function `put-store`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::put_store::function())
}
