//! The Lambda function `get-store`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::get_store::function())
}
