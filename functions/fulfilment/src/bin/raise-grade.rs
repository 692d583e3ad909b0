//! The Lambda function `raise-grade`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::raise_grade::function())
}
