// Copies memory through AXI4, in bursts of 16 beats of 8 bytes: read one, write it, wait for the answer.
module copier (
    input  wire        clock,
    input  wire        reset,
    input  wire        start,
    input  wire [31:0] source,
    input  wire [31:0] target,
    input  wire [7:0]  bursts,
    output wire        busy,
    output wire        m_axi_awvalid,
    input  wire        m_axi_awready,
    output wire [31:0] m_axi_awaddr,
    output wire [3:0]  m_axi_awid,
    output wire [7:0]  m_axi_awlen,
    output wire [2:0]  m_axi_awsize,
    output wire [1:0]  m_axi_awburst,
    output wire        m_axi_wvalid,
    input  wire        m_axi_wready,
    output wire [63:0] m_axi_wdata,
    output wire [7:0]  m_axi_wstrb,
    output wire        m_axi_wlast,
    input  wire        m_axi_bvalid,
    output wire        m_axi_bready,
    input  wire [3:0]  m_axi_bid,
    output wire        m_axi_arvalid,
    input  wire        m_axi_arready,
    output wire [31:0] m_axi_araddr,
    output wire [3:0]  m_axi_arid,
    output wire [7:0]  m_axi_arlen,
    output wire [2:0]  m_axi_arsize,
    output wire [1:0]  m_axi_arburst,
    input  wire        m_axi_rvalid,
    output wire        m_axi_rready,
    input  wire [63:0] m_axi_rdata,
    input  wire        m_axi_rlast,
    input  wire [3:0]  m_axi_rid
);
    localparam IDLE = 3'd0, REQUEST = 3'd1, READ = 3'd2, WRITE = 3'd3, ANSWER = 3'd4;
    reg [2:0]  state;
    reg [31:0] from, to;
    reg [7:0]  left;
    reg [3:0]  beat;
    reg        asked, beat_valid;
    reg [63:0] buffer [0:15];

    assign busy          = state != IDLE;
    assign m_axi_arvalid = state == REQUEST;
    assign m_axi_araddr  = from;
    assign m_axi_arid    = 4'd5;
    assign m_axi_arlen   = 8'd15;
    assign m_axi_arsize  = 3'd3;
    assign m_axi_arburst = 2'd1;
    assign m_axi_rready  = state == READ;
    assign m_axi_awvalid = state == WRITE && !asked;
    assign m_axi_awaddr  = to;
    assign m_axi_awid    = 4'd6;
    assign m_axi_awlen   = 8'd15;
    assign m_axi_awsize  = 3'd3;
    assign m_axi_awburst = 2'd1;
    assign m_axi_wvalid  = state == WRITE && beat_valid;
    assign m_axi_wdata   = buffer[beat];
    assign m_axi_wstrb   = 8'hff;
    assign m_axi_wlast   = beat == 4'd15;
    assign m_axi_bready  = state == ANSWER;

    always @(posedge clock) begin
        case (state)
            IDLE: if (start) begin
                from  <= source;
                to    <= target;
                left  <= bursts;
                state <= REQUEST;
            end
            REQUEST: if (m_axi_arready) begin
                beat  <= 4'd0;
                state <= READ;
            end
            READ: if (m_axi_rvalid) begin
                buffer[beat] <= m_axi_rdata;
                beat         <= beat + 4'd1;
                if (m_axi_rlast) begin
                    state      <= WRITE;
                    beat       <= 4'd0;
                    beat_valid <= 1'b1;
                    asked      <= 1'b0;
                end
            end
            WRITE: begin
                if (m_axi_awready) asked <= 1'b1;
                if (m_axi_wready && beat_valid) begin
                    beat <= beat + 4'd1;
                    if (m_axi_wlast) beat_valid <= 1'b0;
                end
                if (asked && !beat_valid) state <= ANSWER;
            end
            ANSWER: if (m_axi_bvalid) begin
                from  <= from + 32'd128;
                to    <= to + 32'd128;
                left  <= left - 8'd1;
                state <= left == 8'd1 ? IDLE : REQUEST;
            end
            default: state <= IDLE;
        endcase
        if (reset) state <= IDLE;
    end
endmodule
