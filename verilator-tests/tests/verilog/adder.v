// Adds two wide numbers; one clock of latency, no reset.
module adder (
    input  wire         clk,
    input  wire [511:0] a,
    input  wire [511:0] b,
    input  wire [39:0]  id,
    output reg  [512:0] sum,
    output reg  [39:0]  id_out
);
    always @(posedge clk) begin
        sum    <= a + b;
        id_out <= id;
    end
endmodule
