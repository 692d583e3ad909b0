//! The Lambda function `record-sales`.

fn main() -> Result<(), edge::Error> {
    edge::run(&rankings::record_sales::function())
}
