//! Every Lambda function of this context in one binary: the name of the handler says which one this
//! process serves.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::functions())
}
