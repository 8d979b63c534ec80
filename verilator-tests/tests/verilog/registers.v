// Four 32-bit registers behind AXI4-Lite; an address beyond them is refused. Bytes by strobe.
module registers (
    input  wire        clock,
    input  wire        resetn,
    input  wire        s_axil_awvalid,
    output wire        s_axil_awready,
    input  wire [7:0]  s_axil_awaddr,
    input  wire        s_axil_wvalid,
    output wire        s_axil_wready,
    input  wire [31:0] s_axil_wdata,
    input  wire [3:0]  s_axil_wstrb,
    output reg         s_axil_bvalid,
    input  wire        s_axil_bready,
    output reg  [1:0]  s_axil_bresp,
    input  wire        s_axil_arvalid,
    output wire        s_axil_arready,
    input  wire [7:0]  s_axil_araddr,
    output reg         s_axil_rvalid,
    input  wire        s_axil_rready,
    output reg  [31:0] s_axil_rdata,
    output reg  [1:0]  s_axil_rresp
);
    reg [31:0] bank [0:3];
    // Address and data are taken together, once the answer before has gone.
    wire writes = s_axil_awvalid && s_axil_wvalid && (!s_axil_bvalid || s_axil_bready);
    wire reads  = s_axil_arvalid && (!s_axil_rvalid || s_axil_rready);
    assign s_axil_awready = writes;
    assign s_axil_wready  = writes;
    assign s_axil_arready = reads;
    integer k;

    always @(posedge clock) begin
        if (s_axil_bready) s_axil_bvalid <= 1'b0;
        if (s_axil_rready) s_axil_rvalid <= 1'b0;
        if (writes) begin
            s_axil_bvalid <= 1'b1;
            s_axil_bresp  <= s_axil_awaddr[7:4] == 0 ? 2'b00 : 2'b11;
            for (k = 0; k < 4; k = k + 1)
                if (s_axil_wstrb[k] && s_axil_awaddr[7:4] == 0)
                    bank[s_axil_awaddr[3:2]][8*k +: 8] <= s_axil_wdata[8*k +: 8];
        end
        if (reads) begin
            s_axil_rvalid <= 1'b1;
            s_axil_rresp  <= s_axil_araddr[7:4] == 0 ? 2'b00 : 2'b11;
            s_axil_rdata  <= bank[s_axil_araddr[3:2]];
        end
        if (!resetn) begin
            s_axil_bvalid <= 1'b0;
            s_axil_rvalid <= 1'b0;
            for (k = 0; k < 4; k = k + 1) bank[k] <= 32'd0;
        end
    end
endmodule
